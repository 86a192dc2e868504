;; The game of life on a torus of 16 x 32 cells: a generation a macro step, a row in a vector, 24 generations.
;;
;; The first generation is bytes 64..128 of the request, two bytes a row: bit x of the little-endian pair is cell x. The output
;; is five zero bytes (an answer without token ids), then the last generation in the same form.
;;
;; `step` returns 0 to be called again, 1 if the output is right (exit 0), 2 if it is not (exit 1).
(module
  (@custom "assay" "volatile_log2=10\nmax_pages=1")
  (import "assay" "read" (func $read (param i32 i64 i32 i32)))
  (memory 1)
  ;; 0..1024 is volatile: 0 the rows' bits, 128 the output, 512 the next generation. The generation is kept at 1024.
  (global $generation (mut i32) (i32.const 0))

  ;; A row's cells, 0 or 1 each, from its 16 bits.
  (func $spread (param $bits i32) (result v128)
    (i8x16.neg (i8x16.ne
      (v128.and
        (i8x16.shuffle 0 0 0 0 0 0 0 0 1 1 1 1 1 1 1 1
          (i16x8.splat (local.get $bits)) (v128.const i32x4 0 0 0 0))
        (v128.const i8x16 1 2 4 8 16 32 64 -128 1 2 4 8 16 32 64 -128))
      (v128.const i32x4 0 0 0 0))))

  ;; Each cell's left neighbour, itself and its right neighbour, added up; row y of the torus.
  (func $three (param $y i32) (result v128)
    (local $row v128)
    (local.set $row (v128.load offset=1024
      (i32.shl (i32.and (local.get $y) (i32.const 31)) (i32.const 4))))
    (i8x16.add (local.get $row) (i8x16.add
      (i8x16.shuffle 15 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 (local.get $row) (local.get $row))
      (i8x16.shuffle 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 0 (local.get $row) (local.get $row)))))

  ;; Row y of the next generation. With n the sum over all nine cells: alive if n is 3, or if n is 4 and it was alive.
  (func $next (param $y i32) (result v128)
    (local $n v128)
    (local.set $n (i8x16.add (call $three (local.get $y)) (i8x16.add
      (call $three (i32.sub (local.get $y) (i32.const 1)))
      (call $three (i32.add (local.get $y) (i32.const 1))))))
    (v128.and
      (i8x16.splat (i32.const 1))
      (v128.or
        (i8x16.eq (local.get $n) (i8x16.splat (i32.const 3)))
        (v128.and
          (i8x16.eq (local.get $n) (i8x16.splat (i32.const 4)))
          (i8x16.neg (v128.load offset=1024 (i32.shl (local.get $y) (i32.const 4))))))))

  (func $begin
    (local $y i32)
    (call $read (i32.const 0) (i64.const 72) (i32.const 0) (i32.const 64))
    (loop $rows
      (v128.store offset=1024 (i32.shl (local.get $y) (i32.const 4))
        (call $spread (i32.load16_u (i32.shl (local.get $y) (i32.const 1)))))
      (br_if $rows (i32.lt_u
        (local.tee $y (i32.add (local.get $y) (i32.const 1)))
        (i32.const 32)))))

  (func $advance
    (local $y i32)
    (loop $rows
      (v128.store offset=512 (i32.shl (local.get $y) (i32.const 4)) (call $next (local.get $y)))
      (br_if $rows (i32.lt_u
        (local.tee $y (i32.add (local.get $y) (i32.const 1)))
        (i32.const 32))))
    (memory.copy (i32.const 1024) (i32.const 512) (i32.const 512)))

  ;; Whether the output is the present generation.
  (func $claimed (result i32)
    (local $y i32) (local $different i32)
    (call $read (i32.const 1) (i64.const 0) (i32.const 128) (i32.const 8))
    (if (i64.ne (i64.load (i32.const 128)) (i64.const 69)) (then (return (i32.const 0))))
    (call $read (i32.const 1) (i64.const 8) (i32.const 128) (i32.const 69))
    (local.set $different (i32.or (i32.load (i32.const 128)) (i32.load8_u (i32.const 132))))
    (loop $rows
      (local.set $different (i32.or (local.get $different) (i32.xor
        (i32.load16_u offset=133 (i32.shl (local.get $y) (i32.const 1)))
        (i8x16.bitmask (i8x16.neg (v128.load offset=1024
          (i32.shl (local.get $y) (i32.const 4))))))))
      (br_if $rows (i32.lt_u
        (local.tee $y (i32.add (local.get $y) (i32.const 1)))
        (i32.const 32))))
    (i32.eqz (local.get $different)))

  (func (export "step") (result i32)
    (if (i32.eqz (global.get $generation)) (then (call $begin)))
    (call $advance)
    (global.set $generation (i32.add (global.get $generation) (i32.const 1)))
    (if (i32.lt_u (global.get $generation) (i32.const 24)) (then (return (i32.const 0))))
    (select (i32.const 1) (i32.const 2) (call $claimed))))
