# Conan 2. Checked: Python compiles it. Not checked: conan create. At a release: OWNER is where the repository lies.
import os

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy


class Joyfuljay(ConanFile):
    name = "joyfuljay"
    version = "0.1.0"
    description = "Flow features from raw frames, in one C++17 header"
    url = "https://github.com/OWNER/joyfuljay.hpp"
    license = "MIT"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    def export_sources(self):
        top = os.path.join(self.recipe_folder, "..", "..", "..")
        for name in ("joyfuljay.hpp", "LICENSE"):
            copy(self, name, top, self.export_sources_folder)

    def validate(self):
        check_min_cppstd(self, 17)

    def package(self):
        copy(self, "joyfuljay.hpp", self.source_folder, os.path.join(self.package_folder, "include"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_target_name", "joyfuljay::joyfuljay")
