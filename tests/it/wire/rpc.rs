//! Envelopes and error codes.

use conclave::wire::pson::Dictionary;
use conclave::wire::pson::Value;
use conclave::wire::pson::decode;
use conclave::wire::pson::encode;
use conclave::wire::rpc::EndpointCode;
use conclave::wire::rpc::Request;
use conclave::wire::rpc::Response;
use conclave::wire::rpc::RpcError;
use conclave::wire::rpc::code;
use conclave::wire::rpc::endpoint_code;
use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::json;

use super::data::ENDPOINT;
use super::data::bytes;
use super::data::laws;
use super::data::vector;
use super::pson::any_value;

#[test]
fn requests_of_the_endpoint_are_written_the_same() {
    for (id, side) in [
        ("ticket-call-http", "request_encrypted_frames"),
        ("ticket-call-error", "request_encrypted_frames"),
        ("websocket-authorize", "request_encrypted_frames"),
        ("websocket-subscribe", "request_encrypted_frames"),
    ] {
        let frame = &vector(id)[side][0];
        let request = Request::decode(&bytes(&frame["payload_hex"])).unwrap();
        assert_eq!(json!(request.method), frame["pson"]["method"], "{id}");
        assert_eq!(request.params, frame["pson"]["params"], "{id}");
        assert_eq!(request.encode(), bytes(&frame["payload_hex"]), "{id}");
    }
    let recorded = &ENDPOINT["handshake"]["requestWithTicket"];
    let rpc = &recorded["rpc"];
    let request = Request::new(rpc["method"].as_str().unwrap(), rpc["params"].clone());
    assert_eq!(request.encode(), bytes(&recorded["rpcPson"]));
}

#[test]
fn answers_of_bridges_are_read_and_written_the_same() {
    for id in [
        "ticket-call-http",
        "ticket-call-error",
        "websocket-authorize",
        "websocket-subscribe",
        "bridge-ticket-call",
        "bridge-error-call",
    ] {
        let frame = &vector(id)["response_encrypted_frames"][0];
        let payload = bytes(&frame["payload_hex"]);
        let response = Response::decode(&payload).unwrap();
        match &response.result {
            Ok(result) => assert_eq!(result, &frame["pson"]["result"], "{id}"),
            Err(error) => {
                let inner = &frame["pson"]["error"]["data"]["error"];
                assert_eq!(json!(error.code), inner["code"], "{id}");
                assert_eq!(json!(error.message), frame["pson"]["error"]["msg"], "{id}");
                assert_eq!(RpcError::new(error.code), *error, "{id}");
            }
        }
        // The members of the result are ours to order; as a set they are the same.
        let written = decode(&response.encode(Dictionary::Static), Dictionary::Static).unwrap();
        assert_eq!(written.to_json().unwrap(), frame["pson"], "{id}");
        if response.result.is_err() {
            assert_eq!(response.encode(Dictionary::Static), payload, "{id}");
        }
    }
}

#[test]
fn incomplete_requests_name_the_field() {
    let cases = [
        ("no id", json!({"method": "ping", "params": {}}), "Invalid frame. Field 'id' required"),
        (
            "null id",
            json!({"id": null, "method": "ping", "params": {}}),
            "Invalid frame. Field 'id' required",
        ),
        ("no method", json!({"id": 0, "params": {}}), "Invalid frame. Field 'method' required"),
        ("method 1", json!({"id": 0, "method": 1}), "Invalid frame. Field 'method' required"),
        ("no params", json!({"id": 0, "method": "x"}), "Invalid frame. Field 'params' required"),
        ("an array", json!([]), "Invalid frame. Field 'id' required"),
    ];
    for (name, json, text) in cases {
        let bytes = encode(&Value::from(&json), Dictionary::Empty);
        assert_eq!(Request::decode(&bytes).unwrap_err().alert_text(), text, "{name}");
    }
    let text = "Invalid application frame data. Cannot decode given PSON";
    assert_eq!(Request::decode(&[0xF6]).unwrap_err().alert_text(), text);
    let binary = encode(&Value::object([("id", Value::Binary(vec![]))]), Dictionary::Empty);
    assert_eq!(Request::decode(&binary).unwrap_err().alert_text(), text);
}

#[test]
fn server_errors_become_the_codes_of_the_endpoint() {
    for case in ENDPOINT["errorCodes"]["serverErrors"].as_array().unwrap() {
        let code = endpoint_code(case["rpcCode"].as_i64().unwrap());
        assert_eq!(json!(code.0), case["code"], "{case}");
    }
    assert_eq!(endpoint_code(code::STREAM_ROOM_DOES_NOT_EXIST), EndpointCode(0xF000_6122));
    assert_eq!(endpoint_code(code::INTERNAL_ERROR), EndpointCode(0xFFFF_80A5));
    assert_eq!(EndpointCode::of_alert("User doesn't exist"), EndpointCode(0xF000_0009));
    assert_eq!(EndpointCode::of_alert("Invalid ticket"), EndpointCode(0xF000_0000));
}

#[test]
fn library_codes_have_the_recorded_numbers() {
    let ours = [
        ("UserVerificationFailureException", EndpointCode::USER_VERIFICATION_FAILED),
        ("MalformedEncryptionKeyException", EndpointCode::MALFORMED_KEY),
        ("UnknownEncryptionKeyVersionException", EndpointCode::UNKNOWN_KEY_VERSION),
        ("EncryptionKeyContainerValidationException", EndpointCode::BAD_KEY_CONTAINER),
        ("DataIntegrityObjectDuplicatedException", EndpointCode::DIO_DUPLICATED),
        ("MalformedDataIntegrityObjectException", EndpointCode::DIO_MALFORMED),
        ("InvalidDataIntegrityObjectChecksumException", EndpointCode::DIO_CHECKSUM),
        ("DataIntegrityObjectMismatchEncKeyException", EndpointCode::DIO_KEY_MISMATCH),
        ("DataIntegrityObjectInvalidSignatureException", EndpointCode::DIO_SIGNATURE),
        ("ModulePublicDataMismatchException", EndpointCode::PUBLIC_DATA_MISMATCH),
        ("InvalidEncryptedModuleDataVersionException", EndpointCode::BAD_DATA_VERSION),
        ("InvalidDataSignatureException", EndpointCode::INVALID_DATA_SIGNATURE),
        ("InvalidParamsException", EndpointCode::INVALID_PARAMS),
        ("NotConnectedException", EndpointCode::NOT_CONNECTED),
        ("ServerVersionMismatchException", EndpointCode::SERVER_VERSION_MISMATCH),
        ("UnknowStreamRoomFormatException", EndpointCode::UNKNOWN_ROOM_FORMAT),
        ("StreamRoomDataIntegrityException", EndpointCode::ROOM_DATA_INTEGRITY),
        ("StreamRoomEncryptionKeyValidationException", EndpointCode::ROOM_KEY_VALIDATION),
        ("InvalidSubscriptionQueryException", EndpointCode::INVALID_SUBSCRIPTION_QUERY),
        ("StreamRoomConnectionNotInitialized", EndpointCode::ROOM_CONNECTION_NOT_INITIALIZED),
        ("IncorrectStreamHandleException", EndpointCode::INCORRECT_STREAM_HANDLE),
        ("StreamHandleNotInitialized", EndpointCode::STREAM_HANDLE_NOT_INITIALIZED),
        ("StreamAlreadyPublishedException", EndpointCode::STREAM_ALREADY_PUBLISHED),
        ("AlreadyJoinedStreamRoomException", EndpointCode::ALREADY_JOINED),
        ("InvalidTurnServerURIException", EndpointCode::INVALID_TURN_SERVER_URI),
        ("NoStreamEncryptionKeyException", EndpointCode::NO_STREAM_ENCRYPTION_KEY),
        ("NoStreamDecryptionKeyException", EndpointCode::NO_STREAM_DECRYPTION_KEY),
        ("InvalidEncryptionKeyIdLengthException", EndpointCode::INVALID_KEY_ID_LENGTH),
        ("InvalidMessageHeaderLengthException", EndpointCode::INVALID_MESSAGE_HEADER_LENGTH),
        ("UnsupportedMessageFormatVersionException", EndpointCode::UNSUPPORTED_MESSAGE_VERSION),
        ("InvalidDataChannelSeqException", EndpointCode::INVALID_DATA_CHANNEL_SEQ),
        ("CannotGetRoomOnStreamsUpdateEventException", EndpointCode::NO_ROOM_ON_STREAMS_UPDATE),
    ];
    let recorded = ENDPOINT["errorCodes"]["codes"].as_array().unwrap();
    assert_eq!(recorded.len(), ours.len());
    for case in recorded {
        let (_, code) = ours.iter().find(|(name, _)| case["name"] == *name).unwrap();
        assert_eq!(json!(code.0), case["code"], "{case}");
    }
}

#[test]
fn errors_read_well() {
    let invalid = RpcError::invalid_params("limit: must be 1 to 100");
    assert_eq!(invalid.to_string(), "Invalid params: limit: must be 1 to 100 (code -32602)");
    let closed = RpcError::new(code::STREAM_ROOM_CLOSED);
    assert_eq!(closed.to_string(), "Stream room closed (code 0x6208)");
}

#[test]
fn every_code_has_one_name() {
    for (index, (code, name, _)) in code::ALL.iter().enumerate() {
        assert_eq!(code::name(*code), Some(*name));
        assert!(code::ALL[index + 1..].iter().all(|other| other.0 != *code), "{name}");
    }
    assert_eq!(code::ALL.len(), 71);
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn calls_survive_the_wire(
        id in 1_i64.., method in "[a-zA-Z.]{1,30}", params in any_value(), ok in any::<bool>(),
        number in any::<i64>(), message in ".{0,20}",
    ) {
        let params = params.to_json().unwrap_or_default();
        let request = Request { id: json!(id), method, params: json!({ "x": params }) };
        prop_assert_eq!(&Request::decode(&request.encode()).unwrap(), &request);
        let error = RpcError { code: number, message, data: params.clone() };
        let result: Result<Json, RpcError> = if ok { Ok(params) } else { Err(error) };
        let response = Response { id: json!(id), result };
        let written = response.encode(Dictionary::Static);
        prop_assert_eq!(Response::decode(&written).unwrap(), response);
    }

    #[test]
    fn foreign_envelopes_never_panic(
        value in any_value(), bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        for bytes in [encode(&value, Dictionary::Static), bytes] {
            let _ = Request::decode(&bytes).map_err(|error| error.alert_text());
            let _ = Response::decode(&bytes);
        }
    }

    #[test]
    fn mutated_calls_never_panic(
        params in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let params = params.to_json().unwrap_or_default();
        let request = Request::new("stream.streamRoomGet", json!({ "x": params })).encode();
        let error = RpcError::invalid_params("x").with_data(params);
        let response = Response { id: json!(0), result: Err(error) }.encode(Dictionary::Static);
        for mut bytes in [request, response] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Request::decode(&bytes).map_err(|error| error.alert_text());
            let _ = Response::decode(&bytes).map(|response| response.result.map_err(|e| e.to_string()));
        }
    }
}
