// Classifies pictures with an engine: prints the five most probable classes of each.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <iomanip>
#include <iostream>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "engine.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "network.hpp"
#include "picture.hpp"
#include "preprocess.hpp"

namespace {

constexpr std::size_t kTop = 5;
constexpr auto kUsage = "usage: classify [--labels FILE] [--cuda-graph] ENGINE PICTURE...";

struct Arguments {
  bool help = false;
  bool graphs = false;
  std::string labels;
  std::string engine;
  std::vector<std::string> pictures;
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  std::vector<std::string> files;
  bool options = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (options && word == "--") {
      options = false;
    } else if (options && (word == "--help" || word == "-h")) {
      arguments.help = true;
    } else if (options && word == "--cuda-graph") {
      arguments.graphs = true;
    } else if (options && word == "--labels") {
      if (++i == words.size()) {
        throw BadInput("--labels needs a file", kUsage);
      }
      arguments.labels = words[i];
    } else if (options && word.size() > 1 && word.front() == '-') {
      throw BadInput("there is no option '" + word + "'", kUsage);
    } else {
      files.push_back(word);
    }
  }
  if (!arguments.help && files.size() < 2) {
    throw BadInput(files.empty() ? "no engine is named" : "no picture is named", kUsage);
  }
  if (!files.empty()) {
    arguments.engine = files.front();
    arguments.pictures.assign(files.begin() + 1, files.end());
  }
  return arguments;
}

void help() {
  std::cout << kUsage << "\n\n"
            << "Classifies pictures (PNG, JPEG) with an engine of " << network::kTitle << ".\n\n"
            << "--labels FILE  a class's name a line, " << network::kClasses << " of them\n"
            << "--cuda-graph   launch the work of a batch as one CUDA graph, captured once\n\n"
            << "Exits with 0 if all was done, 1 if the GPU failed, 2 for bad input.\n";
}

/// The classes' names; none where no file is named.
std::vector<std::string> read_labels(const std::string& path) {
  std::vector<std::string> labels;
  if (path.empty()) {
    return labels;
  }
  labels = read_lines(path);
  if (labels.size() != network::kClasses) {
    throw BadInput(path + ": has " + std::to_string(labels.size()) + " lines, and the network " +
                   std::to_string(network::kClasses) + " classes");
  }
  for (std::string& label : labels) {  // a terminal would obey control characters
    std::replace_if(
        label.begin(), label.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  }
  return labels;
}

/// Scores as probabilities: a softmax over those that are numbers, unless the network did that.
std::vector<double> probabilities(const std::vector<float>& scores) {
  std::vector<double> result(scores.begin(), scores.end());
  if (network::kProbabilities) {
    return result;
  }
  double most = -std::numeric_limits<double>::infinity();
  for (const double score : result) {
    most = std::isfinite(score) ? std::max(most, score) : most;
  }
  double sum = 0;
  for (double& score : result) {
    score = std::isfinite(score) ? std::exp(score - most) : 0;
    sum += score;
  }
  for (double& score : result) {
    score = sum > 0 ? score / sum : score;
  }
  return result;
}

void print_top(const std::vector<float>& scores, const std::vector<std::string>& labels) {
  const std::vector<double> found = probabilities(scores);
  std::vector<std::size_t> order(found.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto before = [&found](std::size_t a, std::size_t b) {
    const double left = std::isnan(found[a]) ? -1 : found[a];
    const double right = std::isnan(found[b]) ? -1 : found[b];
    return left != right ? left > right : a < b;
  };
  const std::size_t count = std::min(kTop, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), before);
  for (std::size_t i = 0; i < count; ++i) {
    std::cout << "class " << std::setw(5) << order[i] << "  probability " << std::fixed << std::setprecision(4)
              << found[order[i]] << (labels.empty() ? "" : "  " + labels[order[i]]) << '\n';
  }
}

void warn_of_other_than_numbers(const std::string& picture, const std::vector<float>& scores) {
  if (!std::all_of(scores.begin(), scores.end(), [](float score) { return std::isfinite(score); })) {
    std::cerr << picture << ": warning: the network puts out values that are not finite\n";
  }
}

void run(const Arguments& arguments) {
  const std::vector<std::string> labels = read_labels(arguments.labels);
  std::vector<Picture> pictures;  // all of them first: a picture that cannot be read is told before any work
  for (const std::string& path : arguments.pictures) {
    pictures.push_back(crop(read_picture(path)));
  }
  Engine engine(arguments.engine, arguments.graphs);
  std::size_t end = 0;
  for (std::size_t start = 0; start < pictures.size(); start = end) {
    end = std::min(pictures.size(), start + engine.most());
    std::vector<std::vector<float>> images;
    for (std::size_t i = start; i < end; ++i) {
      images.push_back(normalize(pictures[i]));
    }
    const auto scores = engine.scores(images);
    for (std::size_t i = start; i < end; ++i) {
      warn_of_other_than_numbers(arguments.pictures[i], scores[i - start]);
      std::cout << arguments.pictures[i] << '\n';
      print_top(scores[i - start], labels);
    }
  }
  if (!std::cout.flush()) {
    throw Failed("the output cannot be written");
  }
}

}  // namespace

int main(int count, char** words) {
  try {
    const Arguments arguments = parse({words + (count > 0 ? 1 : 0), words + count});
    if (arguments.help) {
      help();
    } else {
      run(arguments);
    }
    return 0;
  } catch (const Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    if (!error.hint().empty()) {
      std::cerr << "hint: " << error.hint() << '\n';
    }
    return error.code();
  } catch (const std::exception& error) {  // out of memory, say
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
