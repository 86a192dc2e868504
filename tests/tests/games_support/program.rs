//! A small real program to dispute, and what it accepts.

/// Macro steps of the small program.
pub const ROUNDS: u32 = 6;
/// Bytes of the request that it reads: the contract's header.
const READ: usize = 192;

/// Hashes the request in several macro steps, by two functions in a table, and compares with the output. Uses calls,
/// both memory regions, a global, the read-only inputs and bulk memory.
pub const PROGRAM: &str = r#"
(module
  (@custom "assay" "volatile_log2=16")
  (import "assay" "read" (func $read (param i32 i64 i32 i32)))
  (type $mixer (func (param i32 i32) (result i32)))
  (memory 2)
  (global $round (mut i32) (i32.const 0))
  (table 2 funcref)
  (elem (i32.const 0) $even $odd)
  (func $even (type $mixer) (i32.mul (i32.xor (local.get 0) (local.get 1)) (i32.const 16777619)))
  (func $odd (type $mixer) (i32.add (i32.rotl (local.get 0) (i32.const 5)) (local.get 1)))
  (func (export "step") (result i32)
    (local $i i32) (local $h i32)
    (if (i32.eqz (global.get $round)) (then
      (call $read (i32.const 0) (i64.const 8) (i32.const 66561) (i32.const 192))
      (i32.store (i32.const 66549) (i32.const 0x811c9dc5))))
    (memory.copy (i32.const 100) (i32.const 66561) (i32.const 192))
    (local.set $h (i32.load (i32.const 66549)))
    (loop $next
      (local.set $h (call_indirect (type $mixer)
        (local.get $h)
        (i32.load8_u offset=100 (local.get $i))
        (i32.and (global.get $round) (i32.const 1))))
      (i32.store offset=1000 (i32.mul (local.get $i) (i32.const 4)) (local.get $h))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 192))))
    (i32.store (i32.const 66549) (local.get $h))
    (global.set $round (i32.add (global.get $round) (i32.const 1)))
    (if (i32.lt_u (global.get $round) (i32.const 6)) (then (return (i32.const 0))))
    (call $read (i32.const 1) (i64.const 13) (i32.const 64) (i32.const 4))
    (select (i32.const 1) (i32.const 2) (i32.eq (i32.load (i32.const 64)) (local.get $h)))))
"#;

/// The output that the program accepts: an answer without ids whose text is the hash.
pub fn right_output(request: &[u8]) -> Vec<u8> {
    let mut h = 0x811c_9dc5u32;
    for round in 0..ROUNDS {
        for byte in &request[..READ] {
            h = match round % 2 {
                0 => (h ^ u32::from(*byte)).wrapping_mul(16_777_619),
                _ => h.rotate_left(5).wrapping_add(u32::from(*byte)),
            };
        }
    }
    [&[0, 0, 0, 0, 0], &h.to_le_bytes()[..]].concat()
}
