// The key stream of ChaCha20 (RFC 8439), several blocks at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "platform.hpp"

namespace zkrun {

#if defined(__AVX512F__)
inline constexpr int stream_lanes = 16;
#elif defined(__AVX2__)
inline constexpr int stream_lanes = 8;
#else
inline constexpr int stream_lanes = 4;
#endif

// One word of as many blocks as there are lanes; a vector extension of GCC and Clang, for any
// processor.
typedef uint32_t StreamWord __attribute__((vector_size(4 * stream_lanes)));

namespace detail {

template <int by>
ZK_INLINE StreamWord rotated(StreamWord x) {
  return x << by | x >> (32 - by);
}

ZK_INLINE void quarter_round(StreamWord& a, StreamWord& b, StreamWord& c, StreamWord& d) {
  a += b, d = rotated<16>(d ^ a);
  c += d, b = rotated<12>(b ^ c);
  a += b, d = rotated<8>(d ^ a);
  c += d, b = rotated<7>(b ^ c);
}

}  // namespace detail

// The key stream of one key and one number below 2^64.
//
// Block n has the counter n mod 2^32, and the nonce is the number in 8 bytes, then floor(n / 2^32)
// in 4, all little-endian. So up to 2^32 blocks it is the RFC's stream under the number as the
// nonce, and no two blocks below 2^64 are the same function of the key.
class KeyStream {
 public:
  static constexpr size_t key_bytes = 32;

  KeyStream(const unsigned char* key, uint64_t number) : number_(number) {
    std::memcpy(key_, key, sizeof key_);
  }
  KeyStream(const KeyStream&) = delete;
  KeyStream& operator=(const KeyStream&) = delete;
  ~KeyStream() {
    std::memset(key_, 0, sizeof key_);
    asm volatile("" : : "r"(key_) : "memory");  // the stores count, though nobody reads them
  }

  // The 16 words of the blocks `first` + places[lane].
  ZK_INLINE void blocks(StreamWord* x, uint64_t first, const StreamWord& places) const {
    const StreamWord none = {};
    const StreamWord counter = static_cast<uint32_t>(first) + places;
    // A comparison is -1 where it holds: there the lower half has run over.
    const StreamWord upper =
        static_cast<uint32_t>(first >> 32) - reinterpret_cast<StreamWord>(counter < places);
    constexpr uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    ZK_UNROLL
    for (int w = 0; w < 4; w++) x[w] = none + constants[w];
    ZK_UNROLL
    for (int w = 0; w < 8; w++) x[4 + w] = none + key_[w];
    x[12] = counter;
    x[13] = none + static_cast<uint32_t>(number_);
    x[14] = none + static_cast<uint32_t>(number_ >> 32);
    x[15] = upper;
    ZK_NO_UNROLL
    for (int round = 0; round < 20; round += 2) {
      detail::quarter_round(x[0], x[4], x[8], x[12]);
      detail::quarter_round(x[1], x[5], x[9], x[13]);
      detail::quarter_round(x[2], x[6], x[10], x[14]);
      detail::quarter_round(x[3], x[7], x[11], x[15]);
      detail::quarter_round(x[0], x[5], x[10], x[15]);
      detail::quarter_round(x[1], x[6], x[11], x[12]);
      detail::quarter_round(x[2], x[7], x[8], x[13]);
      detail::quarter_round(x[3], x[4], x[9], x[14]);
    }
    ZK_UNROLL
    for (int w = 0; w < 4; w++) x[w] += constants[w];
    ZK_UNROLL
    for (int w = 0; w < 8; w++) x[4 + w] += key_[w];
    x[12] += counter;
    x[13] += static_cast<uint32_t>(number_);
    x[14] += static_cast<uint32_t>(number_ >> 32);
    x[15] += upper;
  }

 private:
  uint32_t key_[key_bytes / 4];
  uint64_t number_;
};

}  // namespace zkrun
