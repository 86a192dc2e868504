//! assay-executor
