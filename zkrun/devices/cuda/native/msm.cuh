// Multi-scalar multiplication: see msm_plan.cuh for the steps.
#pragma once

#include "msm_accumulate.cuh"
#include "msm_digits.cuh"
#include "msm_plan.cuh"
#include "msm_reduce.cuh"
#include "msm_sort.cuh"
