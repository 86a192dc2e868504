//! assay-inference
