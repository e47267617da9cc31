// What drawing scalars leaves behind, for test_random_stack.py: runs it in a thread on a stack of
// its own and prints how many words of the key, of the key stream and of the scalars lie there
// afterwards. A second line counts without the last step, which wipes: it shows that words are found.
#include "random_scalars.hpp"

#include <pthread.h>

#include <cstdio>
#include <set>
#include <vector>

using namespace zkrun;

namespace {

using F = Fp<Bn254::ScalarField>;

constexpr size_t count = 1000;
unsigned char key[KeyStream::key_bytes];
std::vector<F> scalars(count);

void drawn_and_wiped() {
  const Context context;
  const View view{reinterpret_cast<uintptr_t>(scalars.data()), count, 0, count};
  random_scalars<F>(context, view, key, 1, 0);
}

void only_drawn() {
  const KeyStream stream(key, 1);
  const WideReduction<F> reduced;
  detail::draw(scalars.data(), count, 0, stream, reduced);
}

std::set<uint64_t> secrets() {
  std::set<uint64_t> words;
  const auto add = [&words](const void* bytes, size_t size) {
    for (size_t at = 0; at + 8 <= size; at += 4) {
      uint64_t word;
      std::memcpy(&word, static_cast<const unsigned char*>(bytes) + at, 8);
      words.insert(word);
    }
  };
  add(key, sizeof key);
  add(scalars.data(), count * sizeof(F));
  const KeyStream stream(key, 1);
  for (uint64_t first = 0; first < count; first += stream_lanes) {
    StreamWord x[16];
    stream.blocks(x, first, detail::stream_places);
    for (int lane = 0; lane < stream_lanes; lane++) {
      uint32_t block[16];
      for (int w = 0; w < 16; w++) block[w] = x[w][lane];
      add(block, sizeof block);
    }
    add(x, sizeof x);  // as the lanes lie in registers
  }
  return words;
}

size_t left_by(void (*work)()) {
  std::vector<uint32_t> stack(1 << 18);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack.data(), stack.size() * sizeof(uint32_t));
  pthread_t thread;
  const auto call = [](void* argument) -> void* {
    (*static_cast<void (**)()>(argument))();
    return nullptr;
  };
  if (pthread_create(&thread, &attributes, call, &work) != 0) return ~size_t{0};
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  const std::set<uint64_t> words = secrets();
  size_t found = 0;
  for (size_t i = 0; i + 1 < stack.size(); i++) {
    uint64_t word;
    std::memcpy(&word, &stack[i], 8);
    found += words.count(word);
  }
  return found;
}

}  // namespace

int main() {
  for (size_t i = 0; i < sizeof key; i++) key[i] = static_cast<unsigned char>(7 * i + 1);
  set_threads(1);
  std::printf("%zu\n", left_by(drawn_and_wiped));
  std::printf("%zu\n", left_by(only_drawn));
}
