fn main() {
    rialto_accounts::entrypoints::unregister_user::main();
}
