fn main() {
    rialto_accounts::entrypoints::get_user::main();
}
