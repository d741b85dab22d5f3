//! Builds again when a migration is added: the compiler watches only those that it read.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
