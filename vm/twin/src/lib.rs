//! assay-twin
