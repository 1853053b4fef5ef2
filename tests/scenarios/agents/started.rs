//! What starts a pipeline, and who.
