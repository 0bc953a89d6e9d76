fn main() {
    rialto_accounts::entrypoints::list_sellers::main();
}
