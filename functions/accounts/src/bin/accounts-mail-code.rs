fn main() {
    rialto_accounts::entrypoints::mail_code::main();
}
