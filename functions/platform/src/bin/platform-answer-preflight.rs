fn main() {
    rialto_platform::entrypoints::answer_preflight::main();
}
