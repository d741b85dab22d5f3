//! The boards: two virtual machines that pay each other over one simulated air.

fn main() {}
