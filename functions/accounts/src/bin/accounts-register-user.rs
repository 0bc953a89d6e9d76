fn main() {
    rialto_accounts::entrypoints::register_user::main();
}
