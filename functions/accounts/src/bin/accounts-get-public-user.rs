fn main() {
    rialto_accounts::entrypoints::get_public_user::main();
}
