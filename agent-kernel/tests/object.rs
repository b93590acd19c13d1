//! The committed object of the kernel programs was built from the committed sources.

use std::path::Path;

#[path = "../../xtask/src/digest.rs"]
mod digest;

#[test]
fn the_object_was_built_from_these_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let note = std::fs::read_to_string(root.join("agent-ebpf/hark-ebpf.sha256"))
        .expect("the digest lies beside the object");
    let sources = digest::sources(&root).expect("sources");
    let object = digest::object(&root).expect("object");
    assert_eq!(
        note,
        format!("{sources}  sources\n{object}  hark-ebpf.o\n"),
        "the kernel programs changed, or their object did: run `cargo xtask build-ebpf`"
    );
}
