//! Compiles the `.proto` files in Rust (protox): no protoc needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=assay/v1/assay.proto");
    let files = protox::compile(["assay/v1/assay.proto"], ["."])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
