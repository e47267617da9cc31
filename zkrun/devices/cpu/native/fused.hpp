// An arithmetic graph over arrays in one pass: `fused_arith`.
//
// The graph comes as a list of little-endian 32-bit words:
//   header      n_outs, n_ins, n_consts, n_ops, n_regs
//   scalars     one bit an input, ceil(n_ins / 32) words: the input is one scalar, not an array
//   constants   8 words each, Montgomery form
//   operations  (opcode, destination, a, b): an operand has its kind in the top two bits
//               (0 register, 1 input, 2 constant) and its index below; a destination is a
//               register (0) or an output (1)
// It is interpreted tile by tile: all inputs of a tile are read, all operations are done, and only
// then are the outputs written, so an output may be one of the inputs.
#pragma once

#include <vector>

#include "elementwise.hpp"

namespace zkrun {

enum class FusedOp : uint32_t { add, sub, mul, square, negate, dbl, move };

struct FusedCode {
  struct Operation {
    FusedOp op;
    uint32_t destination, a, b;
  };
  uint32_t outs, ins, consts, ops, regs;
  std::vector<bool> is_scalar;
  const unsigned char* constants;
  std::vector<Operation> operations;

  explicit FusedCode(const unsigned char* bytes) {
    const auto word = [bytes](size_t i) {
      uint32_t value;
      std::memcpy(&value, bytes + 4 * i, 4);
      return value;
    };
    outs = word(0), ins = word(1), consts = word(2), ops = word(3), regs = word(4);
    for (uint32_t i = 0; i < ins; i++) is_scalar.push_back(word(5 + i / 32) >> (i % 32) & 1);
    size_t at = 5 + (ins + 31) / 32;
    constants = bytes + 4 * at;
    at += 8 * consts;
    for (uint32_t i = 0; i < ops; i++, at += 4) {
      operations.push_back({FusedOp{word(at)}, word(at + 1), word(at + 2), word(at + 3)});
    }
  }
};

// How a tile holds its elements: one by one, or eight a vector.
template <class F>
struct ScalarLanes {
  using Value = F;
  static constexpr size_t width = 1;
  static F load(const F* from) { return *from; }
  static void store(const F& value, F* to) { *to = value; }
  static F broadcast(const F& value) { return value; }
};
#ifdef __AVX512IFMA__
template <class F>
struct VectorLanes {
  using Value = Fp8<typename F::Parameters>;
  static constexpr size_t width = 8;
  static Value load(const F* from) { return Value::load(from); }
  static void store(const Value& value, F* to) { value.store(to); }
  static Value broadcast(const F& value) { return Value::broadcast(value); }
};
template <class F>
using FusedLanes = VectorLanes<F>;
#else
template <class F>
using FusedLanes = ScalarLanes<F>;
#endif

// The values of one tile: registers, outputs, inputs and constants. Constants and inputs that are
// scalars are the same in every tile, and filled in once.
template <class F>
class FusedTile {
  using Lanes = FusedLanes<F>;
  using Value = typename Lanes::Value;
  static constexpr size_t vectors = 64 / Lanes::width;

 public:
  static constexpr size_t size = vectors * Lanes::width;

  FusedTile(Context& context, const FusedCode& code, const std::vector<Elements<F>>& ins)
      : code_(code),
        slots_(context, vectors * (code.regs + code.outs + code.ins + code.consts)) {
    for (uint32_t i = 0; i < code.ins; i++) {
      if (code.is_scalar[i]) fill(input(i), ins[i][0]);
    }
    for (uint32_t i = 0; i < code.consts; i++) {
      F value;
      std::memcpy(value.limb, code.constants + 32 * i, 32);
      fill(constant(i), value);
    }
  }

  void load(uint32_t i, const F* from, size_t count) {
    Value* to = input(i);
    size_t at = 0;
    for (; at + Lanes::width <= count; at += Lanes::width) *to++ = Lanes::load(from + at);
    if (at < count) {
      F padded[Lanes::width] = {};
      std::copy(from + at, from + count, padded);
      *to = Lanes::load(padded);
    }
  }

  void store(uint32_t i, F* to, size_t count) {
    const Value* from = output(i);
    size_t at = 0;
    for (; at + Lanes::width <= count; at += Lanes::width) Lanes::store(*from++, to + at);
    if (at < count) {
      F padded[Lanes::width];
      Lanes::store(*from, padded);
      std::copy(padded, padded + (count - at), to + at);
    }
  }

  void run(size_t count) {
    const size_t used = (count + Lanes::width - 1) / Lanes::width;
    for (const FusedCode::Operation& operation : code_.operations) {
      const Value* a = operand(operation.a);
      const Value* b = operand(operation.b);
      const uint32_t index = operation.destination & index_mask;
      Value* to = operation.destination >> 30 == 1 ? output(index) : reg(index);
      const auto each = [=](auto body) {
        for (size_t i = 0; i < used; i++) to[i] = body(a[i], b[i]);
      };
      switch (operation.op) {
        case FusedOp::add:
          each([](const Value& x, const Value& y) -> Value { return x + y; });
          break;
        case FusedOp::sub:
          each([](const Value& x, const Value& y) -> Value { return x - y; });
          break;
        case FusedOp::mul:
          each([](const Value& x, const Value& y) -> Value { return x * y; });
          break;
        case FusedOp::square:
          each([](const Value& x, const Value&) -> Value { return x.square(); });
          break;
        case FusedOp::negate:
          each([](const Value& x, const Value&) -> Value { return -x; });
          break;
        case FusedOp::dbl:
          each([](const Value& x, const Value&) -> Value { return x.dbl(); });
          break;
        case FusedOp::move:
          each([](const Value& x, const Value&) -> Value { return x; });
          break;
      }
    }
  }

 private:
  static constexpr uint32_t index_mask = (uint32_t{1} << 30) - 1;

  Value* slot(size_t i) { return slots_.data() + vectors * i; }
  Value* reg(uint32_t i) { return slot(i); }
  Value* output(uint32_t i) { return slot(code_.regs + i); }
  Value* input(uint32_t i) { return slot(code_.regs + code_.outs + i); }
  Value* constant(uint32_t i) { return slot(code_.regs + code_.outs + code_.ins + i); }
  // Operations of one operand have a second one all the same, which is not read.
  Value* operand(uint32_t word) {
    const uint32_t index = word & index_mask;
    switch (word >> 30) {
      case 0:
        return reg(index);
      case 1:
        return input(index);
      default:
        return constant(index);
    }
  }
  void fill(Value* to, const F& value) { std::fill_n(to, vectors, Lanes::broadcast(value)); }

  const FusedCode& code_;
  Scratch<Value> slots_;
};

// All outs have one length; so have the ins that are no scalars. Ins beyond those that the code
// counts are not looked at.
template <class F>
void fused(Context& context, const std::vector<View>& outs, const std::vector<View>& ins,
           const unsigned char* bytes) {
  const FusedCode code(bytes);
  const std::vector<Elements<F>> outputs(outs.begin(), outs.end()), inputs(ins.begin(), ins.end());
  if (outputs.empty()) return;
  parallel_for(context, outputs[0].size(), elementwise_grain, [&](size_t begin, size_t end) {
    FusedTile<F> tile(context, code, inputs);
    while (begin < end) {
      size_t count = std::min(FusedTile<F>::size, end - begin);
      for (const auto& output : outputs) count = std::min(count, output.run(begin));
      for (uint32_t i = 0; i < code.ins; i++) {
        if (!code.is_scalar[i]) count = std::min(count, inputs[i].run(begin));
      }
      for (uint32_t i = 0; i < code.ins; i++) {
        if (!code.is_scalar[i]) tile.load(i, inputs[i].at(begin), count);
      }
      tile.run(count);
      for (uint32_t i = 0; i < code.outs; i++) tile.store(i, outputs[i].at(begin), count);
      begin += count;
    }
  });
}

}  // namespace zkrun
