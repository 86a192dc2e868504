//! A wire to the chain that can be cut and mended.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
struct State {
    cut: bool,
    open: Vec<TcpStream>,
}

/// Forwards connections while it is whole.
pub struct Wire {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Wire {
    /// A wire to `to`.
    pub fn new(to: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("bound");
        let state = Arc::new(Mutex::new(State::default()));
        let wire = Wire {
            addr,
            state: state.clone(),
        };
        std::thread::spawn(move || {
            for from in listener.incoming().flatten() {
                // Under the lock: a connection is seen by a cut or comes after it.
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.cut {
                    continue;
                }
                if let Ok(to) = TcpStream::connect(to) {
                    state.open.extend([carry(&from, &to), carry(&to, &from)]);
                }
            }
        });
        wire
    }

    /// The near end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Ends every connection and takes no new one.
    pub fn cut(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cut = true;
        for stream in state.open.drain(..) {
            // The other side may have hung up already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub fn mend(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cut = false;
    }
}

/// Copies until one side hangs up; returns the stream, for the cut.
fn carry(from: &TcpStream, to: &TcpStream) -> TcpStream {
    let clone = |stream: &TcpStream| stream.try_clone().expect("a stream twice");
    let (mut source, mut sink) = (clone(from), clone(to));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut source, &mut sink);
        let _ = sink.shutdown(Shutdown::Both);
    });
    clone(from)
}
