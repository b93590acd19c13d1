//! The prototypes that the kernel programs name are those of a kernel: the running one, or those that
//! `HARK_BTF` names, as in `6.1=/path/to/btf,6.12=/other/btf`. `cargo xtask check-prototypes` sets it.

use std::collections::BTreeMap;
use std::path::Path;

use hark_kernel::Btf;

type Version = (u32, u32);

/// The first kernel that hark supports: what a comment without a version holds from.
const FIRST: Version = (5, 8);

fn version(text: &str) -> Option<Version> {
    let (major, rest) = text.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Types of the arguments, by tracepoint and the version from which they are these.
type Prototypes = BTreeMap<String, BTreeMap<Version, Vec<String>>>;

/// All `// kernel: [VERSION] NAME(ARGUMENTS)` in the sources. Those of classic tracepoints are named
/// `tracepoint CATEGORY:NAME`, and their fields are found by name when they are loaded. Events of
/// `perf_event_open(2)` are `software event NAME`, and have no arguments.
fn named_by_programs() -> Prototypes {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent-ebpf/src");
    let mut all = Prototypes::new();
    for file in std::fs::read_dir(sources).expect("sources").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a source");
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("// kernel: ") else {
                assert!(!line.contains("// kernel:"), "in a form of its own: {line}");
                continue;
            };
            if rest.starts_with("tracepoint ") || rest.starts_with("software event ") {
                continue;
            }
            let (head, arguments) = rest.split_once('(').expect("arguments");
            let arguments = arguments.strip_suffix(')').expect("the end of arguments");
            let (since, name) = match head.split_once(' ') {
                Some((since, name)) => (version(since).expect(line), name),
                None => (FIRST, head),
            };
            let types: Vec<String> = arguments.split(", ").map(type_of).collect();
            let former = all.entry(name.to_owned()).or_default();
            let is_same = former.entry(since).or_insert_with(|| types.clone()) == &types;
            assert!(is_same, "named twice, and not the same: {line}");
        }
    }
    all
}

/// `const struct sock *sk` → `struct sock *`
fn type_of(argument: &str) -> String {
    let name_at = argument.rfind([' ', '*']).expect("a type and a name") + 1;
    let words = argument[..name_at].split_whitespace();
    words
        .filter(|word| *word != "const")
        .collect::<Vec<_>>()
        .join(" ")
}

fn check(prototypes: &Prototypes, kernel: Version, btf: &Btf<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, versions) in prototypes {
        let Some((_, expected)) = versions.range(..=kernel).next_back() else {
            continue;
        };
        match btf.tracepoint_arguments(name) {
            None => wrong.push(format!("{name}: this kernel has none")),
            // Kernels add arguments at the end now and then.
            Some(found) if !found.starts_with(expected) => {
                wrong.push(format!(
                    "{name}: named {expected:?}, but the kernel has {found:?}"
                ));
            }
            Some(_) => {}
        }
    }
    wrong
}

#[test]
fn the_prototypes_that_programs_name_are_the_kernels() {
    let prototypes = named_by_programs();
    assert!(prototypes.len() > 10, "{prototypes:?}");
    let kernels: Vec<(Version, Vec<u8>)> = if let Ok(list) = std::env::var("HARK_BTF") {
        list.split(',')
            .map(|entry| {
                let (kernel, path) = entry.split_once('=').expect("VERSION=FILE");
                let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
                (version(kernel).expect("a version"), bytes)
            })
            .collect()
    } else {
        let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
            println!("SKIPPED: this kernel has no BTF");
            return;
        };
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        vec![(version(&release).expect("a version"), bytes)]
    };
    for (kernel, bytes) in kernels {
        let btf = Btf::parse(&bytes).expect("BTF");
        let wrong = check(&prototypes, kernel, &btf);
        assert!(wrong.is_empty(), "{kernel:?}: {wrong:#?}");
        println!(
            "{} prototypes are those of {}.{}",
            prototypes.len(),
            kernel.0,
            kernel.1
        );
    }
}
