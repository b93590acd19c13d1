//! Loads hark's kernel programs and decodes what they report.
