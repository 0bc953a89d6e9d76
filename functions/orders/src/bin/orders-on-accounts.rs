fn main() {
    rialto_orders::entrypoints::on_accounts::main();
}
