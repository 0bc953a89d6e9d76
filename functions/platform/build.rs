//! Assembles the documentation page: Swagger UI from the registry, its style and its start script
//! in one file, compressed to keep the function small.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use std::{
    error::Error,
    fs,
    io::{Cursor, Read as _},
    path::PathBuf,
};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=docs");
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let style = file(&mut archive, "/dist/swagger-ui.css")?;
    // The source map that the rest refers to isn't part of the page.
    let style = style.split("/*# sourceMappingURL").next().unwrap_or_default();
    let script = file(&mut archive, "/dist/swagger-ui-bundle.js")?
        + "\n"
        + &fs::read_to_string("docs/start.js")?;
    if script.contains("</script") || style.contains("</style") {
        return Err("Swagger UI can't be embedded in a page: it has a closing tag in it".into());
    }
    let page = fs::read_to_string("docs/page.html")?
        .replace("{{style}}", style)
        .replace("{{script}}", &script);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::write(out.join("docs.script.sha256"), STANDARD.encode(Sha256::digest(&script)))?;
    fs::write(
        out.join("docs.html.deflate"),
        miniz_oxide::deflate::compress_to_vec(page.as_bytes(), 9),
    )?;
    Ok(())
}

/// The text of the archive's file whose path ends with `ending`.
fn file(archive: &mut ZipArchive<Cursor<&[u8]>>, ending: &str) -> Result<String, Box<dyn Error>> {
    for at in 0..archive.len() {
        let mut file = archive.by_index_raw(at)?;
        if file.name()?.ends_with(ending) {
            let mut packed = Vec::new();
            file.read_to_end(&mut packed)?;
            let plain = miniz_oxide::inflate::decompress_to_vec(&packed)
                .map_err(|error| error.to_string())?;
            return Ok(String::from_utf8(plain)?);
        }
    }
    Err(format!("the Swagger UI archive has no file {ending}").into())
}
