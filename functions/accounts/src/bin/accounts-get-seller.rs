fn main() {
    rialto_accounts::entrypoints::get_seller::main();
}
