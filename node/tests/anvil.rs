//! An anvil never outlives its starter, however the starter ends.

use assay_node::anvil::{Anvil, AnvilError};
use std::net::TcpStream;
use std::path::Path;

fn start(port: u16) -> Result<Anvil, AnvilError> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    Anvil::start(root, port, &[], None)
}

/// Whether somebody accepts connections on `port`.
fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn dropped_anvil_is_gone_when_the_drop_returns() {
    let anvil = start(0).expect("anvil starts");
    let port = anvil.port();
    assert!(answers(port), "it listens once it has started");
    drop(anvil);
    assert!(!answers(port));
}

#[test]
fn panic_takes_the_anvil_along() {
    let port = std::panic::catch_unwind(|| {
        let anvil = start(0).expect("anvil starts");
        assert!(answers(anvil.port()));
        std::panic::panic_any(anvil.port());
    });
    let port = port.expect_err("it panics");
    assert!(!answers(*port.downcast_ref().expect("a port")));
}

#[test]
fn dead_anvil_is_noticed_and_its_last_words_are_told() {
    let mut anvil = start(0).expect("anvil starts");
    anvil.check().expect("it runs");
    // What a person would do, behind the harness's back.
    let kill = std::process::Command::new("kill")
        .args(["-9", &anvil.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
    while answers(anvil.port()) {}
    let error = loop {
        if let Err(error) = anvil.check() {
            break error.to_string();
        }
    };
    assert!(error.contains("anvil ended"), "{error}");
    assert!(error.contains("Listening on"), "{error}");
}

#[test]
fn taken_port_is_an_error_in_anvils_words() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let error = start(port).expect_err("the port is taken").to_string();
    assert!(error.contains("already in use"), "{error}");
}
