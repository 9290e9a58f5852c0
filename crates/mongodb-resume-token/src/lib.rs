//! Decodes MongoDB change stream resume tokens.
