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

    function drawn(RequestLib.Drawing memory how) external pure returns (bytes memory) {
        return RequestLib.drawn("hello", how, 16);
    }

    function choice(string[] memory choices) external pure returns (bytes memory) {
        return RequestLib.choice("ok?", choices, 4);
    }

    function chosen(bytes calldata output, string[] memory choices) external pure returns (uint256) {
        return RequestLib.chosen(output, choices);
    }

    function _yesNo() private pure returns (string[] memory choices) {
        choices = new string[](2);
        (choices[0], choices[1]) = (" yes", " no");
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

    /// @dev The same bytes as in `contracts/bindings/tests/vectors.rs`.
    function test_drawn_matchesEncoding_succeeds() public pure {
        RequestLib.Drawing memory how = RequestLib.Drawing(1500, 40, 50);
        bytes memory expected = hex"010110000000dc05000028003200000100000500000068656c6c6f";
        assertEq(RequestLib.drawn("hello", how, 16), expected, "payload");
    }

    function test_drawn_outOfRange_reverts() public {
        RequestLib.Drawing[4] memory wrong = [
            RequestLib.Drawing(0, 0, 0),
            RequestLib.Drawing(10_001, 0, 0),
            RequestLib.Drawing(1, 257, 0),
            RequestLib.Drawing(1, 0, 1001)
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(RequestLib.BadPayloadPart.selector);
            this.drawn(wrong[i]);
        }
        this.drawn(RequestLib.Drawing(10_000, 256, 1000));
    }

    /// @dev The same bytes as in `contracts/bindings/tests/vectors.rs`.
    function test_choice_matchesEncoding_succeeds() public view {
        bytes memory head = hex"0102040000000000000000010000030000006f6b3f";
        assertEq(this.choice(_yesNo()), bytes.concat(head, hex"020400207965730300206e6f"), "payload");
    }

    function test_choice_outOfRange_reverts() public {
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.choice(new string[](1));
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.choice(new string[](65));
        string[] memory choices = _yesNo();
        choices[1] = "";
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.choice(choices);
        choices[1] = string(new bytes(257));
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.choice(choices);
        choices[1] = " yes";
        vm.expectRevert(RequestLib.BadPayloadPart.selector);
        this.choice(choices);
    }

    function test_chosen_tellsTheChoice_succeeds() public {
        string[] memory choices = _yesNo();
        assertEq(this.chosen(hex"00010000000700000020796573", choices), 0, "yes");
        assertEq(this.chosen(hex"000100000007000000206e6f", choices), 1, "no");
        vm.expectRevert(RequestLib.BadOutput.selector);
        this.chosen(hex"0001000000070000006e6f", choices);
        vm.expectRevert(RequestLib.BadOutput.selector);
        this.chosen(hex"0200000000", choices);
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
