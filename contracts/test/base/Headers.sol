// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Block headers: real ones, whose hashes are on their chains, and an encoder that knows nothing of the reader.
library Headers {
    bytes32 internal constant MAINNET_HASH = 0x6c4c6ea047f0ca4bcb0b0fbbcc2e50061d8dd24ba1ab8a22a6d3583a497c3c82;
    bytes32 internal constant OP_HASH = 0x75178017f864ca82f39e596f24e443904588fe345d690d3b056959e8be173e4d;
    bytes32 internal constant FIRST_HASH = 0x88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6;
    bytes32 internal constant GENESIS_HASH = 0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3;

    /// @dev Block 24,630,100 of Ethereum: 21 fields.
    function mainnet() internal pure returns (bytes memory) {
        return hex"f90281a063ce16602b2afe4089fa8e0a2c16be1a2dea1c4d30b65bd717d9398ddd5fba23a01dcc4de8dec75d7aab85b567b6ccd4"
            hex"1ad312451b948a7413f0a142fd40d4934794dadb0d80178819f2319190d340ce9a924f783711a041ebb402f36d0ce15799e98d1a"
            hex"ca83bbb5d4b08d1b6572e73b388e4ece192916a03b889eb9fa0713d2e1d9e90725d45fd04ec4a550a7a390639c243c5f3b2c6215"
            hex"a052fc280ab6b1db61781dae4cc5f81b7ddd484eae78320bdd8161d5b2fe8e7719b90100fffffef97ffdf7dfb75fbbfeffffdfff"
            hex"ffbeefffffbbffff6ffffdffbffffaf9df7fff7f7fff6ffbffffdfdffbffffff76fffffcbf7ffbfffffeefffffff7df7bffffffd"
            hex"efffff8fdfdf7f7ceffdffff7ff77affe7ef5ff5fbfff57ff7eeadfffffffabfff7bdffbbfbffcfffdefffeffefffffffff5fffe"
            hex"fdffdffbffffdfdffbffe7fffffffffdffebf7e37fdfe977f7fbdfefdffddffffffffff5f97ffffdfbffdf7fffffbff9feff77af"
            hex"ffefffeef77ffff7fff6fffeffd77ffffeefefdb7bffffff7f7ffdfbff7ffffffffefdffdffddffffffefffffffefdfbf7fdffef"
            hex"7fffff3bdf7fff6cefffdfffdf7ffffeffbfbffffdafffdfbf7efdbeffff7fff80840177d35484039387008401a4ed698469b09d"
            hex"6b934275696c6465724e6574202842656176657229a0f824cbc0bffaa4862fffafa96c2cce90898dda8b97fc3eaa6a85ac380759"
            hex"91e5880000000000000000840246edf3a076abcbef0846a5bd065d0207581dacc3cf8df4ec2ba0a8e4d4fbbe97864b82ee830400"
            hex"00840a2a720ea0d9b957562f8477151f61eddc77bcad7451ef62eab8f4fe470402073a794e8bbaa0e3b0c44298fc1c149afbf4c8"
            hex"996fb92427ae41e4649b934ca495991b7852b855";
    }

    /// @dev Block 157,796,868 of OP Mainnet: 21 fields.
    function op() internal pure returns (bytes memory) {
        return hex"f90278a0a5a62666aff27866040f84824c2247bf2b7320b751bfe7cf855567e5dff738a1a01dcc4de8dec75d7aab85b567b6ccd4"
            hex"1ad312451b948a7413f0a142fd40d49347944200000000000000000000000000000000000011a0c2ff64f11d806dd915bf860e05"
            hex"2809935afab65a59dd479897545eec304a0c3aa0465b594566f229da095144f370a2659803aeaf4070bf06f56e139b2f2ded52dc"
            hex"a0eb5959ffd746e376d9b43211a155052c42d94409b12f8fe995c48f16ed60ddf2b9010054102302000130010080180502000020"
            hex"05100098504020010024000054e20a08034800007004000841a000100400700002cc00000800100006020050002400c010800021"
            hex"00000000280032082008094010040022002c28300600000020040001100803000200228200000040092009000080020008042004"
            hex"0400801000001004000402000804042018228400c0000400020088004825430c0000000082000c300200c0050400000102000500"
            hex"000802002000020000000008004301c8000000800001084340008001032008000080009080880002028304144000002800006040"
            hex"041448882084000224000000000a08200880082103800800042100002042084080840967ca048402625a0083e84d55846ac36dc1"
            hex"9101000000fa000000020000000000000000a04cd595fb7524a96f75f79e3b5bf495274795932bf683bfa232c727f42dd40fba88"
            hex"0000000000000000823220a0171eedd2a92747cfb2e760d2fe845861e129d85f174c4a7e17adedccae5f3102831dbaf080a00a9d"
            hex"b0213a687d211f6ec8e116268582ace2faf158f854b01db90e12edcb65e5a0e3b0c44298fc1c149afbf4c8996fb92427ae41e464"
            hex"9b934ca495991b7852b855";
    }

    /// @dev Block 1 of Ethereum: 15 fields.
    function first() internal pure returns (bytes memory) {
        return hex"f90211a0d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3a01dcc4de8dec75d7aab85b567b6ccd4"
            hex"1ad312451b948a7413f0a142fd40d493479405a56e2d52c817161883f50c441c3228cfe54d9fa0d67e4d450343046425ae427147"
            hex"4353857ab860dbc0a1dde64b41b5cd3a532bf3a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
            hex"a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421b9010000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000008503ff80000001821388808455ba422499476574"
            hex"682f76312e302e302f6c696e75782f676f312e342e32a0969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2"
            hex"e66f5988539bd4979fef1ec4";
    }

    /// @dev Block 0 of Ethereum, whose `mixHash` is zero.
    function genesis() internal pure returns (bytes memory) {
        return hex"f90214a00000000000000000000000000000000000000000000000000000000000000000a01dcc4de8dec75d7aab85b567b6ccd4"
            hex"1ad312451b948a7413f0a142fd40d49347940000000000000000000000000000000000000000a0d7f8974fb5ac78d9ac099b9ad5"
            hex"018bedc2ce0a72dad1827a1709da30580f0544a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
            hex"a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421b9010000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
            hex"0000000000000000000000000000000000000000000000000000000000000000850400000000808213888080a011bbe8db4e347b"
            hex"4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82faa00000000000000000000000000000000000000000000000000000"
            hex"000000000000880000000000000042";
    }

    /// @dev The fields of a block like those of today, in their order.
    function fields(uint256 number, bytes32 prevrandao) internal pure returns (bytes[] memory f) {
        f = new bytes[](21);
        for (uint256 i = 0; i < 21; ++i) {
            f[i] = abi.encodePacked(keccak256(abi.encode("field", i)));
        }
        f[2] = abi.encodePacked(address(0xC01BBA5E));
        f[6] = new bytes(256);
        f[7] = "";
        f[8] = integer(number);
        (f[9], f[10], f[11]) = (integer(60_000_000), integer(27_585_897), integer(1_773_182_315));
        f[12] = "an extra";
        f[13] = abi.encodePacked(prevrandao);
        f[14] = new bytes(8);
        (f[15], f[17], f[18]) = (integer(7), integer(262_144), "");
    }

    function header(uint256 number, bytes32 prevrandao) internal pure returns (bytes memory) {
        return encode(fields(number, prevrandao));
    }

    function encode(bytes[] memory f) internal pure returns (bytes memory) {
        return list(join(f));
    }

    function list(bytes memory content) internal pure returns (bytes memory) {
        return bytes.concat(_prefix(0xc0, content.length), content);
    }

    function join(bytes[] memory f) internal pure returns (bytes memory all) {
        for (uint256 i = 0; i < f.length; ++i) {
            bool itself = f[i].length == 1 && uint8(f[i][0]) < 0x80;
            all = bytes.concat(all, itself ? bytes("") : _prefix(0x80, f[i].length), f[i]);
        }
    }

    /// @dev Big-endian without leading zeros.
    function integer(uint256 value) internal pure returns (bytes memory out) {
        for (; value != 0; value >>= 8) {
            out = bytes.concat(bytes1(uint8(value)), out);
        }
    }

    function _prefix(uint256 kind, uint256 length) private pure returns (bytes memory) {
        if (length < 56) return abi.encodePacked(uint8(kind + length));
        bytes memory size = integer(length);
        return bytes.concat(bytes1(uint8(kind + 55 + size.length)), size);
    }
}
