//! The pages' assets go into the binary, so they must have been bundled before; the migrations, too, are read at compile time.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=static/dist");
    println!("cargo::rerun-if-changed=migrations");
    if !Path::new("static/dist/app.js").exists() {
        println!(
            "cargo::error=static/dist/app.js is missing: run `make build`, or `npm ci && npm run build`, and then cargo again"
        );
    }
}
