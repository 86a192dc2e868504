// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RequestLib} from "../../src/consumer/RequestLib.sol";
import {TestBase} from "../base/TestBase.sol";

contract RequestLibTest is TestBase {
    function text(bytes calldata output) external pure returns (string memory) {
        return RequestLib.text(output);
    }

    function kind(bytes calldata output) external pure returns (uint8) {
        return RequestLib.kind(output);
    }

    function encode(RequestLib.Part[] memory parts, string[] memory stops) external pure returns (bytes memory) {
        return RequestLib.greedy(parts, stops, 0x01020304);
    }

    function test_greedy_oneUserPart_matchesEncoding_succeeds() public pure {
        bytes memory expected = hex"01001000000000000000000100000500000068656c6c6f";
        assertEq(RequestLib.greedy("hello", 16), expected, "payload");
    }

    function test_greedy_partsAndStops_matchesEncoding_succeeds() public view {
        RequestLib.Part[] memory parts = new RequestLib.Part[](2);
        parts[0] = RequestLib.Part(true, "<s>");
        parts[1] = RequestLib.Part(false, "x");
        string[] memory stops = new string[](2);
        (stops[0], stops[1]) = ("\n", "ab");
        bytes memory head = hex"010004030201000000000201000a02006162";
        bytes memory tail = hex"020001030000003c733e000100000078";
        assertEq(this.encode(parts, stops), bytes.concat(head, tail), "payload");
    }

    function test_greedy_outOfRange_reverts() public {
        string[] memory none = new string[](0);
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.encode(new RequestLib.Part[](0), none);
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.encode(new RequestLib.Part[](65), none);
        RequestLib.Part[] memory one = new RequestLib.Part[](1);
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.encode(one, new string[](9));
        string[] memory stops = new string[](1);
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.encode(one, stops);
        stops[0] = string(new bytes(257));
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.encode(one, stops);
    }

    function test_text_answer_succeeds() public view {
        assertEq(bytes(this.text(hex"000200000007000000090000006f6b")), "ok", "text");
        assertEq(bytes(this.text(hex"0000000000")), "", "empty");
    }

    function test_text_notAnAnswer_reverts() public {
        vm.expectRevert(RequestLib.BadOutput.selector);
        this.text(hex"0100000000");
        vm.expectRevert(RequestLib.BadOutput.selector);
        this.text(hex"000200000007000000");
        vm.expectRevert(RequestLib.BadOutput.selector);
        this.text(hex"00ffffffff");
        vm.expectRevert(RequestLib.BadOutput.selector);
        this.kind(hex"00000000");
    }
}
