//! The world around the promises.
