//! What a peer may make the decoder hold or do.

/// Bounds on everything a client can send. Every field has a default that ordinary programs stay far below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one command outside its literals, line ends included. RFC 9051, section 4 asks for 8192 at least.
    pub line: usize,
    /// Bytes of all literals of one command that is not APPEND.
    pub literals: u64,
    /// Literals in one command.
    pub literal_count: usize,
    /// Bytes of one message given to APPEND (the value announced as APPENDLIMIT, RFC 7889).
    pub append_message: u64,
    /// Bytes of all messages of one APPEND (MULTIAPPEND, RFC 3502).
    pub append_total: u64,
    /// Messages in one APPEND.
    pub append_count: usize,
    /// Depth of nested search keys and parenthesised lists.
    pub depth: usize,
    /// Keys in one search programme.
    pub search_keys: usize,
    /// Elements between commas in one sequence set.
    pub set_items: usize,
    /// Items in one list: fetch items, header field names, flags, ID fields.
    pub list_items: usize,
    /// Patterns in one LIST: each is matched with every mailbox.
    pub list_patterns: usize,
    /// Bytes of one mailbox name as UTF-8.
    pub mailbox_name: usize,
    /// Bytes of one keyword.
    pub keyword: usize,
    /// Bytes of one line while AUTHENTICATE goes on (base64, line end included).
    pub authenticate_line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 64 * 1024,
            literals: 256 * 1024,
            literal_count: 64,
            append_message: 50 * 1024 * 1024,
            append_total: 100 * 1024 * 1024,
            append_count: 100,
            depth: 24,
            search_keys: 1_000,
            set_items: 10_000,
            list_items: 500,
            list_patterns: 20,
            mailbox_name: 800,
            keyword: 100,
            authenticate_line: 16 * 1024,
        }
    }
}
