fn main() {
    rialto_catalog::entrypoints::on_accounts::main();
}
