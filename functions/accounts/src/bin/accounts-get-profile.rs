fn main() {
    rialto_accounts::entrypoints::get_profile::main();
}
