//! assay-tests
