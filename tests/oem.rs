//! The test OEM is one thing in two places: the simulated TA has its secret, the server its public key.

#[test]
fn server_and_simulated_ta_agree_on_the_test_oem_and_the_measurement() {
    assert_eq!(blepay_server::oem::OEM_TEST_ROOT, ta_sim::oem::test_root());
    assert_eq!(
        blepay_server::oem::simulated_ta_measurement(),
        ta_sim::oem::measurement()
    );
}
