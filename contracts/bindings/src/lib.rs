//! assay-bindings
