//! The kernel programs' own diagnostics arrive as events of `tracing`. A test program of its own: the
//! level that is wanted is the whole program's.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hark_kernel::{Feature, Kernel, Options};
use tracing_subscriber::filter::LevelFilter;

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("text").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn programs_say_what_they_do_at_the_level_that_is_wanted() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: needs CAP_BPF and CAP_PERFMON; run the tests as root");
        return;
    }
    let text = Text::default();
    let writer = text.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let options = Options {
        features: vec![Feature::Process, Feature::Log],
        object: std::env::var_os("HARK_EBPF_OBJECT").map(Into::into),
        ..Options::default()
    };
    let _kernel = Kernel::start(&options, Vec::clear).expect("start");
    let mut child = std::process::Command::new("/bin/true")
        .arg("12345")
        .spawn()
        .expect("true");
    child.wait().expect("end");
    // `/bin/true` and `12345`, each with its zero.
    let wanted = format!("process {} executes 16 bytes of arguments", child.id());
    let start = Instant::now();
    loop {
        let said = String::from_utf8(text.0.lock().expect("text").clone()).expect("UTF-8");
        if let Some(line) = said.lines().find(|line| line.contains(&wanted)) {
            assert!(line.contains("DEBUG hark_ebpf:"), "{line}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{said}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
