//! assay-dispute
