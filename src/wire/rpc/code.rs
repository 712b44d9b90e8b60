//! Error codes of the server with their usual text (transport.md 7.1, streams.md 7.1).
//!
//! Names are the server's own, spelling included, so that both documents can be searched.

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        $(
            #[doc = $text]
            pub const $name: i64 = $code;
        )*

        /// Every code with its name and its usual text.
        pub const ALL: &[(i64, &str, &str)] = &[$(($code, stringify!($name), $text)),*];
    };
}

codes! {
    PARSE_ERROR = -32700, "Parse error";
    INVALID_REQUEST = -32600, "Invalid Request";
    METHOD_NOT_FOUND = -32601, "Method not found";
    INVALID_PARAMS = -32602, "Invalid params";
    INTERNAL_ERROR = -32603, "Internal error";
    ONLY_POST_METHOD_ALLOWED = -32605, "Only POST method allowed";
    INVALID_USERNAME = 0x0002, "Invalid username";
    INVALID_SIGNATURE = 0x0008, "Invalid signature";
    USER_DOESNT_EXIST = 0x0009, "User doesn't exist";
    UNKNOWN_SESSION = 0x000C, "Unknown session";
    INVALID_SESSION_STATE = 0x000D, "Invalid session state";
    INVALID_TOKEN = 0x0015, "Invalid token";
    INVALID_TIMESTAMP = 0x0028, "Invalid timestamp";
    INVALID_NONCE = 0x0029, "Invalid nonce";
    ACCESS_DENIED = 0x0030, "Access denied";
    PUB_KEY_ALREADY_IN_USE = 0x0065, "Public key already in use";
    MAINTENANCE_MODE = 0x0068, "Maintenance mode";
    INVALID_PROXY_SESSION = 0x0069, "Invalid proxy session";
    INVALID_KEY = 0x0070, "Invalid key";
    WEBSOCKET_REQUIRED = 0x0072, "WebSocket required";
    WEBSOCKET_ALREADY_AUTHORIZED = 0x0073, "WebSocket already authorized";
    EXCEEDED_LIMIT_OF_WEBSOCKET_CHANNELS = 0x0085, "Exceeded limit of WebSocket channels";
    ADD_WS_CHANNEL_ID_REQUIRED = 0x0086, "addWsChannelId is required on a WebSocket that has a session";
    CANNOT_ADD_CHANNEL_TO_SINGLE = 0x0087, "Cannot add a channel to a WebSocket with a single session";
    INVALID_KEY_ID = 0x6015, "Invalid key id";
    CONTEXT_DOES_NOT_EXIST = 0x6116, "Context does not exist";
    STREAM_ROOM_DOES_NOT_EXIST = 0x6122, "Stream room does not exist";
    NO_MATCH_FOR_LAST_ID = 0x6123, "No match for last id";
    RESOURCES_HAVE_DIFFERENT_CONTEXTS = 0x6124, "Resources have different contexts";
    API_KEY_DOES_NOT_EXIST = 0x612B, "API key does not exist";
    INVALID_CREDENTIALS = 0x612C, "Invalid credentials";
    API_KEYS_LIMIT_EXCEEDED = 0x612D, "API keys limit exceeded";
    INSUFFICIENT_SCOPE = 0x612E, "Insufficient scope";
    UNAUTHORIZED = 0x612F, "Unauthorized";
    SOLUTION_DOES_NOT_EXIST = 0x6130, "Solution does not exist";
    INVALID_ACL = 0x6131, "Invalid ACL";
    SOLUTION_HAS_CONTEXTS = 0x6132, "Solution has contexts";
    CANNOT_SWITCH_CONNECTED_CONTEXT_TO_PRIVATE = 0x6135, "Cannot switch a connected context to private";
    METHOD_CALLABLE_WITH_WEBSOCKET_ONLY = 0x6136, "Method callable with WebSocket only";
    USER_DOES_NOT_HAVE_ACCESS_TO_CONTAINER = 0x6137, "User does not have access to container";
    DUPLICATE_RESOURCE_ID = 0x6138, "Duplicate resource id";
    TOO_MANY_CHANNELS_IN_SESSION = 0x6139, "Too many channels in session";
    WS_SESSION_DOES_NOT_EXISTS = 0x613A, "WebSocket session does not exist";
    RESOURCE_ID_MISSMATCH = 0x613B, "Resource id mismatch";
    FIRST_API_KEY_ALREADY_EXISTS = 0x613E, "First API key already exists";
    INITIALIZATION_TOKEN_MISSMATCH = 0x613F, "Initialization token mismatch";
    FAILED_TO_SEND_MEDIA_EVENT = 0x6200, "Failed to send media event";
    NOT_SUBSCRIBED_FOR_STREAMS = 0x6201, "Not subscribed for streams";
    NOT_CONNECTED_TO_THE_ROOM = 0x6202, "Not connected to the room";
    NO_SUBSCRIPTIONS_TO_MODIFY = 0x6203, "No subscriptions to modify";
    MEDIA_SERVER_SOCKET_ALREADY_CLOSED = 0x6204, "Media server socket already closed";
    CANNOT_CONNECT_TO_MEDIA_SERVER = 0x6205, "Cannot connect to media server";
    ERROR_DURING_REQUEST_TO_MEDIA_SERVER = 0x6206, "Error during request to media server";
    MAIN_MEDIA_SESSION_FOR_USER_MISSING = 0x6207, "Main media session for user missing";
    STREAM_ROOM_CLOSED = 0x6208, "Stream room closed";
    MEDIA_ROOM_ALREADY_EXISTS = 0x6209, "Media room already exists";
    MEDIA_ROOM_NOT_FOUND = 0x620A, "Media room not found";
    MEDIA_ROOM_FULL = 0x620B, "Media room full";
    MEDIA_USER_NOT_FOUND = 0x620C, "Media user not found";
    MEDIA_USER_NOT_JOINED = 0x620D, "Media user not joined";
    MEDIA_UNAUTHORIZED = 0x620E, "Media unauthorized";
    MEDIA_ALREADY_PUBLISHING = 0x620F, "Media already publishing";
    MEDIA_SERVER_ERROR = 0x6210, "Media server error";
    MEDIA_INVALID_SDP = 0x6211, "Media invalid SDP";
    MEDIA_PLUGIN_NOT_FOUND = 0x6212, "Media plugin not found";
    UNKNOWN_MEDIA_SERVER_EXCEPTION = 0x6213, "Unknown media server exception";
    MEDIA_USER_ALREADY_JOINED = 0x6214, "Media user already joined";
    MEDIA_FEED_NOT_FOUND = 0x6215, "Media feed not found";
    MEDIA_INVALID_SDP_TYPE = 0x6216, "Media invalid SDP type";
    MEDIA_NOT_PUBLISHING = 0x6217, "Media not publishing";
    MEDIA_PARTICIPANT_ID_EXISTS = 0x6218, "Media participant id exists";
}

/// The server's name of `code`, if it is one of its own.
#[must_use]
pub fn name(code: i64) -> Option<&'static str> {
    ALL.iter().find(|(known, _, _)| *known == code).map(|(_, name, _)| *name)
}

/// The usual text of `code`.
#[must_use]
pub fn text(code: i64) -> &'static str {
    ALL.iter().find(|(known, _, _)| *known == code).map_or("Unknown error", |(_, _, text)| *text)
}
