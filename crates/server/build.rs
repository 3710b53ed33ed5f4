//! Makes the folder of the built console exist, so that a fresh clone compiles, and has the server compiled
//! again when its content changes.

fn main() {
    let dist = "../../console/dist";
    // Where the sources are read-only the folder may stay missing; the server then has its fallback page.
    let _ = std::fs::create_dir_all(dist);
    println!("cargo::rerun-if-changed={dist}");
}
