fn main() {
    rialto_accounts::entrypoints::on_accounts::main();
}
