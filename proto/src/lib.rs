//! gRPC messages and services, generated from `assay/v1/assay.proto`, which is the reference.

pub mod hello;

/// Version 1 of the protocol.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("assay.v1");
}
