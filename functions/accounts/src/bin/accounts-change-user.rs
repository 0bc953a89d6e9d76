fn main() {
    rialto_accounts::entrypoints::change_user::main();
}
