//! A bare echo over bluer and btleplug, as large as a payment and without its contents.

fn main() {}
