//! assay-node
