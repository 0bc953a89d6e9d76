fn main() {
    rialto_platform::entrypoints::mirror_settings::main();
}
