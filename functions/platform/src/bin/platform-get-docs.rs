fn main() {
    rialto_platform::entrypoints::get_docs::main();
}
