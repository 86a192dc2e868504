//! assay-machine
