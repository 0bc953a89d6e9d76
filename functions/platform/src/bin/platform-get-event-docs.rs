fn main() {
    rialto_platform::entrypoints::get_event_docs::main();
}
