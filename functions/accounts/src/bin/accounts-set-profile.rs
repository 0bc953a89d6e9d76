fn main() {
    rialto_accounts::entrypoints::set_profile::main();
}
